import { JsonRpcProvider } from "ethers";

const [, , url, method, raw] = process.argv;
const node = new JsonRpcProvider(url, undefined, { staticNetwork: true });
console.log(await node.send(method, raw ? [raw] : []));
node.destroy();
