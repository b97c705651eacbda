"""Clients that are not ours, against the stubs that our sinks are held to.

official.py datadog HOST:PORT KEY     sends three logs; then reads bodies of ours from standard input, one a line, as the official model
official.py splunk HOST:PORT TOKEN    sends three events
"""

import json
import logging
import sys


def datadog(address, key):
    from datadog_api_client import ApiClient, Configuration
    from datadog_api_client.v2.api.logs_api import LogsApi
    from datadog_api_client.v2.model.content_encoding import ContentEncoding
    from datadog_api_client.v2.model.http_log import HTTPLog
    from datadog_api_client.v2.model.http_log_item import HTTPLogItem

    configuration = Configuration(
        server_operation_index={"submit_log": 1},
        server_variables={"name": address, "protocol": "http"},
    )
    configuration.api_key["apiKeyAuth"] = key
    with ApiClient(configuration) as client:
        for number, encoding in enumerate([None, ContentEncoding.GZIP, ContentEncoding.DEFLATE]):
            log = HTTPLog([HTTPLogItem(message=f"official {number}", ddsource="python", seq=str(number))])
            more = {} if encoding is None else {"content_encoding": encoding}
            LogsApi(client).submit_log(body=log, **more)
    logs = 0
    for line in sys.stdin:
        # The model refuses what the OpenAPI schema refuses: a missing message, an attribute that is no string.
        log = HTTPLog([HTTPLogItem(**item) for item in json.loads(line)])
        logs += len(log.value)
    print(logs)


def splunk(address, token):
    from splunk_hec_handler import SplunkHecHandler

    host, port = address.rsplit(":", 1)
    handler = SplunkHecHandler(host, token, port=int(port), proto="http", source="python", sourcetype="_json")
    # The client knows nothing of acknowledgement; its channel is a header like any other.
    handler.r.headers["X-Splunk-Request-Channel"] = "0d8a5b0e-5d3c-4b1f-9f0e-2f6a3c1d7e90"
    logger = logging.getLogger("official")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    for number in range(3):
        logger.info({"text": f"official {number}", "fields": {"seq": number}})
    print(handler.url)


if __name__ == "__main__":
    {"datadog": datadog, "splunk": splunk}[sys.argv[1]](*sys.argv[2:])
