//! The durable attribute and the functions macro of Stent.
