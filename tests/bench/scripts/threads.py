"""Sends a file's transactions from many threads over one requests.Session, in no order."""

import sys
from concurrent.futures import ThreadPoolExecutor

import requests
from requests.adapters import HTTPAdapter

url, path, workers = sys.argv[1], sys.argv[2], int(sys.argv[3])
kept = requests.Session()
kept.mount("http://", HTTPAdapter(pool_maxsize=workers))


def send(line: str) -> str:
    asked = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "eth_sendRawTransaction",
        "params": [line.strip()],
    }
    return str(kept.post(url, json=asked, timeout=10).json()["result"])


with open(path) as file, ThreadPoolExecutor(workers) as pool:
    for found in pool.map(send, file.readlines()):
        print(found)
