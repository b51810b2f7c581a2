// What --help prints: one screen a verb.
#pragma once

#include <string_view>

namespace rmq::cli {

// Empty for a verb there is no page for.
[[nodiscard]] std::string_view dump_help(std::string_view verb);
[[nodiscard]] std::string_view verify_help();
[[nodiscard]] std::string_view store_help();
[[nodiscard]] std::string_view repair_help();
[[nodiscard]] std::string_view reindex_help();

}  // namespace rmq::cli
