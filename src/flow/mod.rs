//! The spoken exchange with a caller: parsed flow, state machine, numerals, read-back. Never touches audio.
