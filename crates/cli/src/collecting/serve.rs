//! Signals, the service manager's watchdog, and the port that a collector is watched at.

use crate::failure::{Doing, Failure, OrHint};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use pgattest_trail::operate::{Metrics, Phase, Stop};
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// The longest that the capture may not have looked at the logs, in seconds, and still be called alive.
const ALIVE: i64 = 60;

/// What runs beside the collector.
pub(crate) struct Server {
    thread: JoinHandle<()>,
    end: tokio::sync::oneshot::Sender<()>,
}

/// Begins to wait for signals, and to answer where `listen` says.
pub(crate) fn start(
    listen: Option<SocketAddr>,
    stop: Stop,
    metrics: Metrics,
) -> Result<Server, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let listener = match listen {
        Some(address) => Some(
            runtime
                .block_on(TcpListener::bind(address))
                .doing(|| format!("cannot listen on {address}"))
                .or_hint("choose another port in [operate], or end what uses it")?,
        ),
        None => None,
    };
    let (terminate, interrupt) = {
        let _inside = runtime.enter();
        (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        )
    };
    let (end, ended) = tokio::sync::oneshot::channel();
    let thread = std::thread::spawn(move || {
        runtime.block_on(async move {
            tokio::select! {
                () = on_signals(terminate, interrupt, stop) => {}
                () = answer(listener, metrics.clone()) => {}
                () = tell_manager(metrics) => {}
                _ = ended => {}
            }
        });
    });
    Ok(Server { thread, end })
}

impl Server {
    /// Ends it, once the collector has.
    pub(crate) fn finish(self) {
        let _ = self.end.send(());
        let _ = self.thread.join();
    }
}

/// The first signal asks to end in an orderly way. The second ends at once: the journal is consistent at any instant.
async fn on_signals(
    mut terminate: tokio::signal::unix::Signal,
    mut interrupt: tokio::signal::unix::Signal,
    stop: Stop,
) {
    loop {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        if stop.phase() == Phase::Stopping {
            std::process::abort();
        }
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
        stop.advance(Phase::Stopping);
    }
}

async fn answer(listener: Option<TcpListener>, metrics: Metrics) {
    let Some(listener) = listener else {
        return std::future::pending().await;
    };
    let router = Router::new()
        .route("/metrics", get(text))
        .route("/healthz", get(healthy))
        .route("/readyz", get(ready))
        .with_state(metrics);
    // It only ends with the runtime.
    let _ = axum::serve(listener, router).await;
    std::future::pending::<()>().await;
}

async fn text(State(metrics): State<Metrics>) -> impl IntoResponse {
    const FORM: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, FORM)], metrics.render())
}

/// Alive: the capture looks at the logs.
async fn healthy(State(metrics): State<Metrics>) -> (StatusCode, &'static str) {
    if is_alive(&metrics) {
        (StatusCode::OK, "alive\n")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "the logs have not been looked at for a minute\n",
        )
    }
}

/// Ready: what is captured becomes durable, and the directories are there.
async fn ready(State(metrics): State<Metrics>) -> (StatusCode, &'static str) {
    let value = |name| metrics.gauge(name, "", &[]).get();
    if value("journal_writable") == 0 {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "the journal cannot be written\n",
        )
    } else if value("missing_directories") > 0 {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "a directory of logs is not there\n",
        )
    } else if value("unreadable_files") > 0 {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "a log file cannot be read\n",
        )
    } else {
        (StatusCode::OK, "ready\n")
    }
}

fn is_alive(metrics: &Metrics) -> bool {
    let looked = metrics.gauge(
        "last_look_seconds",
        "When the logs were last looked at, in seconds since 1970",
        &[],
    );
    jiff::Timestamp::now().as_second() - looked.get() < ALIVE
}

/// Tells systemd that it is ready, and from then on that it lives.
async fn tell_manager(metrics: Metrics) {
    let mut told = false;
    loop {
        if is_alive(&metrics) {
            let state = if told {
                sd_notify::NotifyState::Watchdog
            } else {
                sd_notify::NotifyState::Ready
            };
            let _ = sd_notify::notify(&[state]);
            told = true;
        }
        let pause = if told { 10_000 } else { 100 };
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}
