// What an operator should know about a store before this broker serves it: state of features that are not
// there yet lies in it and waits. RocketMQ has no such thing; a stock broker serves them.
#pragma once

#include <string>
#include <vector>

namespace rmq::broker {

class Broker;

// Sentences, each about one thing; once the store is open and offsets are loaded.
[[nodiscard]] std::vector<std::string> store_notes(Broker& broker);

}  // namespace rmq::broker
