use clap::Args;

#[derive(Args, Debug)]
pub(crate) struct TrailProofArgs {}
