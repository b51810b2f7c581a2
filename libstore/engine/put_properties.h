// Properties that the store itself writes into a message when it gives it a queue offset. RocketMQ:
// LmqDispatch, BatchConsumeQueue.assignQueueOffset.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rmq::engine {

inline constexpr std::string_view kLmqPrefix = "%LMQ%";  // MixAll.LMQ_PREFIX
[[nodiscard]] inline bool is_lmq(std::string_view topic) { return topic.starts_with(kLmqPrefix); }

// `text` without the property `name`, then name and value; with a separator at the end.
void set_property(std::string& text, std::string_view name, std::string_view value);
void remove_property(std::string& text, std::string_view name);

// The names of INNER_MULTI_DISPATCH, as Java's split(",") has them: nothing behind the last that is not
// empty.
[[nodiscard]] std::vector<std::string_view> split_names(std::string_view list);

// MultiDispatchUtils.isNeedHandleMultiDispatch, as far as it is about the topic.
[[nodiscard]] bool takes_multi_dispatch(std::string_view topic);

// What can be the name of a queue's directory.
[[nodiscard]] bool is_topic_name(std::string_view topic);

}  // namespace rmq::engine
