"""Checks of schemathesis: no call is answered by a failure of the server, and one that is refused changes nothing.

FUZZ_LISTS names the lists of the service, separated by spaces; FUZZ_KEY is the key for them. They are compared after
each call that changes something. A list that does not answer is a failure of the last call. FUZZ_BY_CONTRACT is a regular
expression of failures that the service's contract answers with 500.
"""

import json
import os
import re

import requests
import schemathesis

LISTS = os.environ["FUZZ_LISTS"].split()
HEADERS = {"Authorization": f"Bearer {os.environ['FUZZ_KEY']}"}
READING = ("GET", "HEAD", "OPTIONS", "TRACE")

session = requests.Session()
seen = None


def things(base):
    """What the lists hold, without what time alone changes."""
    found = {}
    for path in LISTS:
        answer = session.get(base + path, headers=HEADERS, timeout=20)
        assert answer.status_code == 200, f"{path} answers {answer.status_code} after this call: {answer.text[:300]}"
        body = answer.json()
        items = body if isinstance(body, list) else body.get("items", body.get("processes", []))
        ids = [item.get("id", item.get("action_id", item.get("process_id"))) for item in items]
        total = body.get("total") if isinstance(body, dict) else None
        found[path] = json.dumps([ids, total])
    return found


@schemathesis.check
def no_server_error(ctx, response, case):
    """Fails for 5xx other than those of the contract."""
    if response.status_code >= 500:
        allowed = os.environ.get("FUZZ_BY_CONTRACT", "")
        assert allowed and re.search(allowed, response.text), f"answered {response.status_code}: {response.text[:500]}"


@schemathesis.check
def nothing_made(ctx, response, case):
    """Fails when a refused call changed a list, or a call broke one."""
    global seen
    if case.method in READING and seen is not None:
        return None
    base = response.request.url.split("/", 3)
    now = things("/".join(base[:3]))
    if seen is not None and response.status_code >= 400:
        changed = [path for path in LISTS if now[path] != seen[path]]
        before, seen = seen, now
        assert not changed, f"refused with {response.status_code}, but {changed[0]} was {before[changed[0]]} and is {now[changed[0]]}"
    seen = now
    return None
