//! What the ports are made of: one technology a folder.
