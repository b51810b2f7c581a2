// What a consumer group wants of a topic, and how RocketMQ writes it. RocketMQ: SubscriptionData, FilterAPI,
// ExpressionType. Values; nothing here is shared between threads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libstore/base/error.h"
#include "libstore/json/json_value.h"

namespace rmq::broker {

inline constexpr std::string_view kTagExpression = "TAG";
inline constexpr std::string_view kSubscribeAll = "*";

// No type at all is TAG, too.
[[nodiscard]] bool is_tag_type(std::string_view expression_type);

struct SubscriptionData {
  std::string topic;
  std::string sub_string = std::string(kSubscribeAll);  // "*", "a || b", or an expression of another type
  std::vector<std::string> tags;                        // of sub_string; sorted, each once
  std::vector<std::int32_t> codes;                      // their Java hashes; sorted, each once
  std::int64_t version = 0;                             // when the client subscribed, ms
  std::string expression_type = std::string(kTagExpression);
  bool class_filter_mode = false;
  bool operator==(const SubscriptionData&) const = default;

  // Whether a message whose unit has this tags code may be wanted; the client looks at the tag itself.
  [[nodiscard]] bool wants(std::int64_t tags_code) const;
};

// As a client's text means it; without a type it is TAG. Fails with what stock says of it.
[[nodiscard]] Result<SubscriptionData> make_subscription(std::string_view topic, std::string_view sub_string,
                                                         std::string_view expression_type,
                                                         std::int64_t version);

// Members that are missing have Java's defaults, of which the version is now. Nothing where there is no
// object, or no topic.
[[nodiscard]] std::optional<SubscriptionData> read_subscription(const json::Value& value,
                                                                std::int64_t now_ms);
[[nodiscard]] json::Value to_json(const SubscriptionData& subscription);

}  // namespace rmq::broker
