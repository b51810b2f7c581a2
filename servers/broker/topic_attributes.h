// A topic's attributes: which there are, and the changes (+name=value, -name) that a client may ask for.
// RocketMQ: TopicAttributes, AttributeUtil, AttributeParser.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libstore/base/error.h"

namespace rmq::broker {

using Attributes = std::vector<std::pair<std::string, std::string>>;

// "+a=1,-b" as its parts. Fails with what the client is told.
[[nodiscard]] Result<Attributes> parse_attribute_changes(std::string_view text);
// What `current` becomes; a topic that is `new_topic` can only be given some. Fails with what the client is
// told.
[[nodiscard]] Result<Attributes> change_attributes(bool new_topic, const Attributes& current,
                                                   const Attributes& changes);

}  // namespace rmq::broker
