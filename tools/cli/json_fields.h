// Fields that are null where there is nothing to say.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "libstore/json/json_writer.h"

namespace rmq::cli {

inline void text_or_null(json::JsonLine& line, std::string_view name, const std::string& text) {
  line.key(name);
  if (text.empty()) {
    line.value(nullptr);
  } else {
    line.value(text);
  }
}

// Negative: nothing.
inline void number_or_null(json::JsonLine& line, std::string_view name, std::int64_t number) {
  line.key(name);
  if (number < 0) {
    line.value(nullptr);
  } else {
    line.value(number);
  }
}

}  // namespace rmq::cli
