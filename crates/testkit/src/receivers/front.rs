//! A strict front before a receiver: it sees every request, refuses what the real service would refuse, and fails when asked to.
//!
//! Plain HTTP/1.1 over TCP, a request a connection, written by hand: a library would not let us break off in the middle of an
//! answer.

use anyhow::{Context, Result, bail};
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request, whole.
#[derive(Clone, Debug)]
pub struct Request {
    /// `POST`.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// All of it, as it was sent.
    pub body: Vec<u8>,
}

impl Request {
    /// A header's value; the name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The operation of AWS's JSON protocol: `PutLogEvents`.
    pub fn operation(&self) -> &str {
        self.header("x-amz-target")
            .and_then(|target| target.split('.').nth(1))
            .unwrap_or_default()
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Besides those that say how long the body is.
    pub headers: Vec<(String, String)>,
    /// All of it.
    pub body: Vec<u8>,
}

impl Answer {
    /// Without headers.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    /// With a header more.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// What goes wrong with one request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This answer in place of the receiver's; the receiver sees nothing.
    Answer(Answer),
    /// The connection is reset before the receiver sees anything.
    Reset,
    /// The receiver does its work; the connection is reset before the answer.
    ResetAfter,
    /// The receiver does its work; half of the answer is sent.
    Half,
    /// Nothing is answered until the client gives up; the receiver sees nothing.
    Silence,
}

type Judge = dyn Fn(&Request) -> Option<Answer> + Send + Sync;
type Amend = dyn Fn(&Request, &mut Answer) + Send + Sync;
type Aim = dyn Fn(&Request) -> bool + Send + Sync;

struct State {
    upstream: Option<SocketAddr>,
    judge: Box<Judge>,
    amend: Box<Amend>,
    aim: Box<Aim>,
    faults: Mutex<VecDeque<Option<Fault>>>,
    seen: Mutex<Vec<(Request, u16)>>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("upstream", &self.upstream)
            .finish_non_exhaustive()
    }
}

/// The front, listening on a port of loopback.
#[derive(Debug)]
pub struct Front {
    address: SocketAddr,
    state: Arc<State>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Front {
    /// Before `upstream` (`None`: every request that passes the judge is answered with 200 and no body). `judge` refuses, `amend`
    /// corrects what the receiver gets wrong, `aim` says which requests faults apply to.
    pub async fn start(
        upstream: Option<SocketAddr>,
        judge: impl Fn(&Request) -> Option<Answer> + Send + Sync + 'static,
        amend: impl Fn(&Request, &mut Answer) + Send + Sync + 'static,
        aim: impl Fn(&Request) -> bool + Send + Sync + 'static,
    ) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            upstream,
            judge: Box::new(judge),
            amend: Box::new(amend),
            aim: Box::new(aim),
            faults: Mutex::default(),
            seen: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                // A client that goes away is no failure of the test.
                tokio::spawn(async move { serve(stream, &state).await });
            }
        });
        Ok(Self {
            address,
            state,
            task,
        })
    }

    /// Where clients find it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next requests that are aimed at fail like this, one after the other.
    pub fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        let faults = faults.into_iter().map(Some);
        held(&self.state.faults).extend(faults);
    }

    /// Likewise, in place of those that have not happened yet; `None` spares a request.
    pub fn fail_later(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        *held(&self.state.faults) = faults.into_iter().collect();
    }

    /// Faults that have not happened yet.
    pub fn faults_left(&self) -> usize {
        held(&self.state.faults).len()
    }

    /// Requests so far with the status they got; 0 where the connection was broken.
    pub fn seen(&self) -> Vec<(Request, u16)> {
        held(&self.state.seen).clone()
    }
}

/// A test that failed must not fail the front, too.
fn held<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(mut stream: TcpStream, state: &State) -> Result<()> {
    let request = read_request(&mut stream).await?;
    let fault = if (state.aim)(&request) {
        held(&state.faults).pop_front().flatten()
    } else {
        None
    };
    let note = |status: u16| held(&state.seen).push((request.clone(), status));

    match fault {
        Some(Fault::Answer(answer)) => {
            note(answer.status);
            return write_answer(&mut stream, &request, &answer, 1.0).await;
        }
        Some(Fault::Reset) => {
            note(0);
            stream.set_zero_linger()?;
            return Ok(());
        }
        Some(Fault::Silence) => {
            note(0);
            // Until the client closes.
            let mut rest = [0_u8; 64];
            while stream.read(&mut rest).await? > 0 {}
            return Ok(());
        }
        Some(Fault::ResetAfter | Fault::Half) | None => {}
    }

    let answer = if let Some(refusal) = (state.judge)(&request) {
        refusal
    } else {
        let mut answer = match state.upstream {
            Some(upstream) => forward(upstream, &request).await?,
            None => Answer::new(200, Vec::new()),
        };
        (state.amend)(&request, &mut answer);
        answer
    };
    match fault {
        Some(Fault::ResetAfter) => {
            note(0);
            stream.set_zero_linger()?;
            Ok(())
        }
        Some(Fault::Half) => {
            note(0);
            write_answer(&mut stream, &request, &answer, 0.5).await
        }
        _ => {
            note(answer.status);
            write_answer(&mut stream, &request, &answer, 1.0).await
        }
    }
}

/// Sends a request to a receiver, past a front.
pub async fn forward(upstream: SocketAddr, request: &Request) -> Result<Answer> {
    let mut stream = TcpStream::connect(upstream).await?;
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.target);
    for (name, value) in &request.headers {
        if !matches!(
            name.as_str(),
            "connection" | "content-length" | "transfer-encoding" | "expect"
        ) {
            write!(head, "{name}: {value}\r\n")?;
        }
    }
    write!(
        head,
        "connection: close\r\ncontent-length: {}\r\n\r\n",
        request.body.len()
    )?;
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&request.body).await?;

    let (head, rest) = read_head(&mut stream).await?;
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .context("no status")?
        .parse()?;
    let headers = headers(lines);
    let body = if request.method == "HEAD" {
        Vec::new()
    } else {
        read_body(&mut stream, &headers, rest, true).await?
    };
    Ok(Answer {
        status,
        headers,
        body,
    })
}

async fn write_answer(
    stream: &mut TcpStream,
    request: &Request,
    answer: &Answer,
    share: f64,
) -> Result<()> {
    let mut text = format!("HTTP/1.1 {} Said\r\n", answer.status).into_bytes();
    let head = request.method == "HEAD";
    for (name, value) in &answer.headers {
        let ours = matches!(
            name.as_str(),
            "connection" | "content-length" | "transfer-encoding"
        );
        if !ours || (head && name == "content-length") {
            text.extend(format!("{name}: {value}\r\n").into_bytes());
        }
    }
    if !head {
        text.extend(format!("content-length: {}\r\n", answer.body.len()).into_bytes());
    }
    text.extend(b"connection: close\r\n\r\n");
    text.extend(&answer.body);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss
    )]
    let end = (text.len() as f64 * share) as usize;
    stream.write_all(&text[..end]).await?;
    stream.shutdown().await?;
    Ok(())
}

async fn read_request(stream: &mut TcpStream) -> Result<Request> {
    let (head, rest) = read_head(stream).await?;
    let mut lines = head.split("\r\n");
    let mut first = lines.next().context("no request")?.split(' ');
    let (Some(method), Some(target)) = (first.next(), first.next()) else {
        bail!("no request line");
    };
    let headers = headers(lines);
    if headers.iter().any(|(name, _)| name == "expect") {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let body = read_body(stream, &headers, rest, false).await?;
    Ok(Request {
        method: method.to_owned(),
        target: target.to_owned(),
        headers,
        body,
    })
}

async fn read_head(stream: &mut TcpStream) -> Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(at) = find(&bytes, b"\r\n\r\n") {
            let rest = bytes.split_off(at + 4);
            bytes.truncate(at);
            return Ok((String::from_utf8(bytes)?, rest));
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            bail!("closed before the end of the head");
        }
    }
}

fn headers<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
    lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect()
}

async fn read_body(
    stream: &mut TcpStream,
    headers: &[(String, String)],
    mut bytes: Vec<u8>,
    to_the_end: bool,
) -> Result<Vec<u8>> {
    let value = |name: &str| {
        headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    if let Some(length) = value("content-length") {
        let length: usize = length.parse()?;
        while bytes.len() < length {
            if stream.read_buf(&mut bytes).await? == 0 {
                bail!("closed within the body");
            }
        }
        bytes.truncate(length);
        return Ok(bytes);
    }
    if value("transfer-encoding").is_some_and(|value| value.contains("chunked")) {
        while find(&bytes, b"0\r\n\r\n").is_none() {
            if stream.read_buf(&mut bytes).await? == 0 {
                bail!("closed within the chunks");
            }
        }
        return chunks(&bytes);
    }
    if to_the_end {
        stream.read_to_end(&mut bytes).await?;
        return Ok(bytes);
    }
    Ok(Vec::new())
}

fn chunks(mut bytes: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = find(bytes, b"\r\n").context("a chunk without a length")?;
        let length = usize::from_str_radix(std::str::from_utf8(&bytes[..end])?, 16)?;
        let start = end + 2;
        if length == 0 {
            return Ok(body);
        }
        body.extend(
            bytes
                .get(start..start + length)
                .context("a chunk cut short")?,
        );
        bytes = bytes
            .get(start + length + 2..)
            .context("a chunk cut short")?;
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// Waits until something listens there.
pub async fn wait_for(address: SocketAddr) -> Result<()> {
    let deadline = tokio::time::Instant::now() + Duration::from_mins(1);
    while TcpStream::connect(address).await.is_err() {
        if tokio::time::Instant::now() > deadline {
            bail!("nothing listens on {address}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// A port of loopback that is free now.
pub fn free_port() -> Result<SocketAddr> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
