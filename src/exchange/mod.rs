//! One request and its answer: templates rendered, the answer decoded and read, the transport called within the allowed origin.
