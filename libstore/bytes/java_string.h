// Java's view of UTF-8 text: String.hashCode runs over UTF-16 units, and malformed bytes become U+FFFD.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace rmq {

// String.hashCode of new String(bytes, UTF_8): s[0]*31^(n-1) + ... + s[n-1] in wrapping 32 bits.
// `seed` is the hash of the text before this one, so that a hash of a concatenation needs no copy.
[[nodiscard]] std::int32_t java_hash(std::string_view utf8, std::int32_t seed = 0);

// String.length() of new String(bytes, UTF_8).
[[nodiscard]] std::size_t java_length(std::string_view utf8);

// Whether `text` has no byte above 0x7F.
[[nodiscard]] bool is_ascii(std::string_view text);

// Whether java_clean_utf8 leaves the text as it is.
[[nodiscard]] bool is_java_clean(std::string_view utf8);

// The text as Java would write it again: malformed sequences replaced by U+FFFD.
[[nodiscard]] std::string java_clean_utf8(std::string_view utf8);

}  // namespace rmq
