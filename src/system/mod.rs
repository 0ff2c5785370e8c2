//! The ports made real: clock, chance, network, files, environment, keychain, terminal.
