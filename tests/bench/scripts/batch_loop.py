import json
import sys
from http.client import HTTPConnection

size = int(sys.argv[3])
kept = HTTPConnection(sys.argv[1].removeprefix("http://"), timeout=10)
with open(sys.argv[2]) as file:
    lines = file.read().split()
for at in range(0, len(lines), size):
    asked = [
        {"jsonrpc": "2.0", "id": number, "method": "eth_sendRawTransaction", "params": [raw]}
        for number, raw in enumerate(lines[at : at + size])
    ]
    kept.request("POST", "/", json.dumps(asked), {"Content-Type": "application/json"})
    found = {answer["id"]: answer["result"] for answer in json.load(kept.getresponse())}
    for number in range(len(asked)):
        print(found[number])
