import sys

import requests

params = sys.argv[3:]
call = {"jsonrpc": "2.0", "id": 1, "method": sys.argv[2], "params": params}
print(requests.post(sys.argv[1], json=call, timeout=10).json()["result"])
