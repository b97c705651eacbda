//! Private PostgreSQL clusters, poolers and certificates for tests.
//!
//! A [`Cluster`] is a real server of a real major version, copied from a
//! template that `initdb` made once, started in a fraction of a second on a free
//! loopback port and a socket of its own, and gone without a trace when it is
//! dropped or when the test process dies, however it dies.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use pgattest_testkit::Cluster;
//!
//! let cluster = Cluster::builder(15)
//!     .setting("log_connections", "on")
//!     .start()
//!     .await?;
//! cluster.execute("postgres", "CREATE ROLE app LOGIN; CREATE DATABASE shop OWNER app").await?;
//! let rows = cluster.query_text("shop", "SELECT current_user").await?;
//! assert_eq!(rows, [[Some("postgres".to_owned())]]);
//! # Ok(())
//! # }
//! ```
//!
//! Where the servers come from is told by [`Binaries`]; `script/bootstrap`
//! installs them.

mod account;
mod binaries;
mod builder;
mod certificate;
mod cluster;
mod conf;
mod copy;
mod login;
mod pgbouncer;
mod place;
mod process;
mod random;
pub mod receivers;
mod s3;
mod server;
pub mod spec;
mod sql;
mod standby;
mod template;
mod tls;
pub mod tools;

pub use binaries::{Binaries, available_majors};
pub use builder::ClusterBuilder;
pub use certificate::{Authority, Issued};
pub use cluster::{Cluster, SUPERUSER, SUPERUSER_PASSWORD};
pub use login::Login;
pub use pgbouncer::{PgBouncer, PgBouncerBuilder, PoolMode, PoolerAuth};
pub use random::Random;
pub use s3::S3;
pub use standby::Standby;
pub use tls::{ClientFiles, Tls};
