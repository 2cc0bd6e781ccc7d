"""Passes: what lets a job's own program fetch the job's files, and nothing else.

PanDA's pilot fetches programs and sandboxes without its token. A pass stands in the job's
parameters instead: signed by us, for one attempt, good while the job is held.
"""

from __future__ import annotations

from datetime import datetime

import jwt

from culm.core.errors import NotFound
from server.identity.keys import KeyRing
from server.identity.tokens import ALGORITHM, ISSUER

AUDIENCE = "culm-job-files"
_NOT_GOOD = "no such file"


def job_pass(keys: KeyRing, job_id: int, attempt_nr: int, now: datetime) -> str:
    """A pass for the files of this attempt. As a token it opens nothing: its audience differs."""
    key = keys.signing()
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": f"{job_id}.{attempt_nr}",
              "iat": int(now.timestamp())}  # fmt: skip
    return jwt.encode(claims, key.private, algorithm=ALGORITHM, headers={"kid": key.kid})


def job_of_pass(keys: KeyRing, text: str) -> tuple[int, int]:
    """The job and the attempt that a pass is for.

    Raises:
        NotFound: it is none of ours; nothing more is said.
    """
    try:
        key = keys.public(str(jwt.get_unverified_header(text).get("kid")))
        if key is None:
            raise NotFound(_NOT_GOOD)
        claims = jwt.decode(text, key, algorithms=[ALGORITHM], audience=AUDIENCE, issuer=ISSUER)
        job_id, _, attempt_nr = str(claims["sub"]).partition(".")
        return int(job_id), int(attempt_nr)
    except (jwt.InvalidTokenError, KeyError, ValueError) as error:
        raise NotFound(_NOT_GOOD) from error
