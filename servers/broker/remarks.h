// Texts that several answers share.
#pragma once

#include <string>
#include <string_view>

#include "libstore/format/config_files.h"

namespace rmq::broker {

// What stock adds to many remarks. FAQUrl.suggestTodo: its pages are all the same one by now.
inline constexpr std::string_view kSeeFaq =
    "\nSee https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details.";

// TopicConfig.toString.
[[nodiscard]] std::string to_text(const format::TopicConfig& topic);

}  // namespace rmq::broker
