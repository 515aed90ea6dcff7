//! Stent's rules applied to plain maps: the specification that other stores are compared with.
