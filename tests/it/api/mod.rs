//! The interface as clients see it.

mod descriptors;
