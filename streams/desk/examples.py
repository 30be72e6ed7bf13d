"""What the engineers' page shows: examples that the tests run or check."""

ANSWER = {
    "answer": "restricted",
    "restriction": "geo_blocked",
    "territory": ["DE", "FR"],
    "ground": "law",
    "reference": "CASE-4711",
}

VERIFY = (
    (
        "Python",
        "pip install standardwebhooks",
        """import os
from standardwebhooks import Webhook

def read(headers: dict[str, str], body: bytes) -> dict:
    # The raw bytes as received: parse nothing before the signature holds.
    return Webhook(os.environ["TAKIN_SECRET"]).verify(body, headers)
""",
    ),
    (
        "JavaScript",
        "npm install standardwebhooks",
        """import { Webhook } from "standardwebhooks";

export function read(headers, body) {
  // The raw text as received: parse nothing before the signature holds.
  return new Webhook(process.env.TAKIN_SECRET).verify(body, headers);
}
""",
    ),
    (
        "Go",
        "go get github.com/standard-webhooks/standard-webhooks/libraries/go",
        """package takin

import (
	"net/http"
	"os"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

func Verify(headers http.Header, body []byte) error {
	wh, err := standardwebhooks.NewWebhook(os.Getenv("TAKIN_SECRET"))
	if err != nil {
		return err
	}
	return wh.Verify(body, headers)
}
""",
    ),
)
"""Language, how to get the public library, and the code."""
