//! RELP, the Reliable Event Logging Protocol, over TLS or plain: syslog messages, each one acknowledged by the receiver.

mod session;

use crate::record::{Batch, Record};
use crate::sink::{Answer, Limits, OpenError, Sink, Task};
use crate::syslog::connection::Target;
use crate::syslog::message::{LEAST, Style};
use session::Session;

pub use crate::syslog::Config;

pub(crate) fn open(config: &Config) -> Result<Box<dyn Sink>, OpenError> {
    Ok(Box::new(Relp {
        target: config.target()?,
        style: config.message.clone(),
        session: None,
    }))
}

struct Relp {
    target: Target,
    style: Style,
    session: Option<Session>,
}

impl Sink for Relp {
    fn limits(&self) -> Limits {
        Limits {
            records: 1_000,
            bytes: 1_000_000,
            // Number, command and length around the message.
            overhead: 32,
            record_bytes: self.style.message_bytes.max(LEAST),
            whole_blocks: false,
        }
    }

    fn encode(&self, record: &Record) -> Vec<u8> {
        self.style.message(record)
    }

    fn deliver<'a>(&'a mut self, batch: &'a Batch) -> Task<'a, Answer> {
        Box::pin(async move {
            // Taken out: a delivery that is given up leaves no session with half a frame on it.
            let mut session = match self.session.take() {
                Some(old) => old,
                None => match Session::open(&self.target).await {
                    Ok(new) => new,
                    Err(answer) => return answer,
                },
            };
            let answer = session.deliver(&self.target, batch).await;
            if session.is_open() {
                self.session = Some(session);
            }
            answer
        })
    }

    fn place(&self) -> String {
        self.target.address.clone()
    }
}
