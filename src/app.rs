//! Composition root: opens sockets, wires the shells together, owns shutdown.
