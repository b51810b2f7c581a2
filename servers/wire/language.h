// The names that LanguageCode has in JSON headers. RocketMQ: LanguageCode.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "servers/wire/command.h"

namespace rmq::wire {

inline constexpr std::array<std::string_view, 14> kLanguageNames = {
    "JAVA",  "CPP",  "DOTNET", "PYTHON", "DELPHI", "ERLANG", "RUBY",
    "OTHER", "HTTP", "GO",     "PHP",    "OMS",    "RUST",   "NODE_JS"};

// OTHER for a number without a name, as Java's tables of clients show it.
[[nodiscard]] constexpr std::string_view to_string(LanguageCode language) {
  const auto number = static_cast<std::size_t>(language);
  return kLanguageNames[number < kLanguageNames.size() ? number
                                                       : static_cast<std::size_t>(LanguageCode::other)];
}

[[nodiscard]] constexpr LanguageCode language_of(std::string_view name) {
  for (std::size_t i = 0; i < kLanguageNames.size(); ++i)
    if (kLanguageNames[i] == name) return static_cast<LanguageCode>(i);
  return LanguageCode::other;
}

}  // namespace rmq::wire
