//! What must hold whatever the order of events, and however late, lossy or down the stores are.

mod fleet;
mod measure;
mod stampede;
mod world;
