//! What Splunk's answers mean: the `code` where there is one, else the HTTP status.

use crate::http::Response;
use crate::sink::Answer;
use serde::Deserialize;

/// The body of an answer.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Said {
    code: Option<u32>,
    #[serde(rename = "ackId")]
    pub(super) ack: Option<u64>,
}

impl Said {
    pub(super) fn of(response: &Response) -> Self {
        serde_json::from_slice(&response.body).unwrap_or_default()
    }

    /// Data channel is missing (10) or invalid (11): a new one helps.
    pub(super) fn is_channel(&self) -> bool {
        matches!(self.code, Some(10 | 11))
    }

    /// What stands in the way; `None`: it was taken.
    pub(super) fn trouble(&self, response: &Response) -> Option<Answer> {
        let said = response.shown();
        Some(match (self.code, response.status) {
            (Some(0), 200) => return None,
            // 1: token is disabled. 2: token is required. 3: invalid authorization. 4: invalid token.
            (Some(1..=4), _) => Answer::misconfigured(format!(
                "{said}: Splunk does not accept the token; put a valid, enabled one where `token` says"
            )),
            // 5: no data. 6: invalid data format. 12: event field is required. 13: event field cannot be blank. 15: error in
            // handling indexed fields.
            (Some(5 | 6 | 12 | 13 | 15), _) => Answer::refused(said),
            (Some(7), _) => Answer::misconfigured(format!(
                "{said}: the index does not exist or the token may not write to it; look at `index`"
            )),
            // 8: internal server error. 9: busy. 10, 11: channel. 18, 19, 20: queues or acknowledgements are full. 23: shutting down.
            (Some(8..=11 | 18..=20 | 23), _) => response.again(),
            (Some(14), _) => Answer::misconfigured(format!(
                "{said}: switch on indexer acknowledgement (`useACK`) for the token, or say `acknowledgement = false`, with which records can be lost in Splunk's memory"
            )),
            (_, 413) => Answer::refused(format!(
                "{said}: raise Splunk's `max_content_length`, or lower `request_bytes`"
            )),
            (_, 401 | 403) => Answer::misconfigured(said),
            (_, 408 | 429 | 500..=599) => response.again(),
            (_, 400) => Answer::refused(said),
            // 200 without code 0 and the like.
            _ => Answer::misconfigured(format!(
                "{said}: that is not Splunk's HTTP Event Collector; look at `url` and the proxy"
            )),
        })
    }
}
