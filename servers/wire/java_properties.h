// Java's .properties texts: broker.conf, namesrv.conf and the bodies of the configuration requests (25, 26,
// 318, 319). Read as java.util.Properties.load(InputStream) reads them: bytes are ISO-8859-1, \uXXXX is a
// UTF-16 unit, `=`, `:` or a blank ends a key, trailing blanks of a value stay. Written as
// MixAll.properties2String writes them, sorted, one "key=value" a line; only what would not read back the
// same is escaped, which stock leaves out. Texts are UTF-8. Stateless: any thread may call.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "libstore/base/error.h"

namespace rmq::wire {

using Properties = std::map<std::string, std::string, std::less<>>;

inline constexpr std::size_t kMostPropertiesBytes = std::size_t{1} << 20;

// The last of two equal keys counts. Error wrong_use: a \u without four hex digits (Java throws), or more
// than kMostPropertiesBytes.
[[nodiscard]] Result<Properties> parse_properties(std::string_view text);
[[nodiscard]] std::string write_properties(const Properties& properties);

}  // namespace rmq::wire
