import { createPublicClient, http, toHex } from "viem";

const [, , url, method, raw] = process.argv;
const node = createPublicClient({ transport: http(url) });
console.log(raw ? await node.sendRawTransaction({ serializedTransaction: raw }) : toHex(await node.getChainId()));
