import sys

from web3 import HTTPProvider, Web3

node = Web3(HTTPProvider(sys.argv[1]))
if sys.argv[2] == "eth_chainId":
    print(hex(node.eth.chain_id))
else:
    print(node.eth.send_raw_transaction(sys.argv[3]).to_0x_hex())
