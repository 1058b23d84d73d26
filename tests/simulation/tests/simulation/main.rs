//! What must hold whatever the order of events, and however late, lossy or down the stores are.

mod fleet;
mod hot;
mod library;
mod mixture;
mod outage;
mod purge;
mod stampede;
mod world;
