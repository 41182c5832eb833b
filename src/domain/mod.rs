//! Users, staff, seats, roles, groups, activation: the rules of the domain as pure functions over entries and
//! facts. Nothing here writes or waits.
