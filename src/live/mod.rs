//! Who is connected now: consultants and customers on WebSockets, presence, delivery with acknowledgement.
