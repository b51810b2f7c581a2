#include "libstore/bytes/java_string.h"

#include <optional>

#include "libstore/bytes/big_endian.h"

namespace rmq {
namespace {

constexpr std::uint32_t kReplacement = 0xFFFD;

// Decodes one code point at `at` and moves past it. Malformed input gives U+FFFD for the longest prefix of a
// well-formed sequence (at least one byte), which is what java.nio's UTF_8 decoder replaces at a time.
std::uint32_t next_code_point(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = byte(at++);
  if (lead < 0x80) return lead;
  int more = 0;
  std::uint8_t low = 0x80;
  std::uint8_t high = 0xBF;
  std::uint32_t point = 0;
  if (lead >= 0xC2 && lead <= 0xDF) {
    more = 1;
    point = lead & 0x1FU;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    more = 2;
    point = lead & 0x0FU;
    if (lead == 0xE0) low = 0xA0;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    more = 3;
    point = lead & 0x07U;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return kReplacement;
  }
  for (; more > 0; --more, low = 0x80, high = 0xBF) {
    if (at >= text.size() || byte(at) < low || byte(at) > high) return kReplacement;
    point = (point << 6) | (byte(at++) & 0x3FU);
  }
  // An encoded surrogate is malformed as a whole: one U+FFFD for its three bytes.
  if (point >= 0xD800 && point <= 0xDFFF) return kReplacement;
  return point;
}

// The hash of ASCII text; nothing where there is another character. Eight characters at a time, in the lanes
// of one word: 31 a + b of neighbours needs 12 bits, 961 (31 a + b) + (31 c + d) 22.
std::optional<std::uint32_t> ascii_hash(std::string_view text, std::uint32_t hash) {
  constexpr std::uint64_t kOddBytes = 0x00FF00FF00FF00FFULL;
  constexpr std::uint64_t kOddPairs = 0x0000FFFF0000FFFFULL;
  constexpr std::uint32_t kPower4 = 923521U;
  constexpr std::uint32_t kPower8 = kPower4 * kPower4;
  std::uint64_t seen = 0;
  std::size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    const auto word = load_be<std::uint64_t>(as_bytes(text).data() + i);
    seen |= word;
    const std::uint64_t pairs = ((word >> 8) & kOddBytes) * 31 + (word & kOddBytes);
    const std::uint64_t fours = ((pairs >> 16) & kOddPairs) * 961 + (pairs & kOddPairs);
    hash = hash * kPower8 + static_cast<std::uint32_t>(fours >> 32) * kPower4 +
           static_cast<std::uint32_t>(fours);
  }
  for (; i < text.size(); ++i) {
    const auto byte = static_cast<std::uint8_t>(text[i]);
    seen |= byte;
    hash = hash * 31U + byte;
  }
  if ((seen & 0x8080808080808080ULL) != 0) return std::nullopt;
  return hash;
}

}  // namespace

bool is_ascii(std::string_view text) {
  std::size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    std::uint64_t word;
    std::memcpy(&word, text.data() + i, 8);
    if ((word & 0x8080808080808080ULL) != 0) return false;
  }
  for (; i < text.size(); ++i) {
    if (static_cast<std::uint8_t>(text[i]) >= 0x80) return false;
  }
  return true;
}

std::int32_t java_hash(std::string_view utf8, std::int32_t seed) {
  auto hash = static_cast<std::uint32_t>(seed);
  if (const auto ascii = ascii_hash(utf8, hash)) return static_cast<std::int32_t>(*ascii);
  for (std::size_t at = 0; at < utf8.size();) {
    const std::uint32_t point = next_code_point(utf8, at);
    if (point >= 0x10000) {
      hash = hash * 31U + (0xD7C0U + (point >> 10));
      hash = hash * 31U + (0xDC00U + (point & 0x3FFU));
    } else {
      hash = hash * 31U + point;
    }
  }
  return static_cast<std::int32_t>(hash);
}

std::size_t java_length(std::string_view utf8) {
  std::size_t units = 0;
  for (std::size_t at = 0; at < utf8.size();) units += next_code_point(utf8, at) >= 0x10000 ? 2U : 1U;
  return units;
}

bool is_java_clean(std::string_view utf8) {
  if (is_ascii(utf8)) return true;
  for (std::size_t at = 0; at < utf8.size();) {
    const std::size_t from = at;
    if (next_code_point(utf8, at) == kReplacement && utf8.substr(from, at - from) != "\xEF\xBF\xBD")
      return false;
  }
  return true;
}

std::string java_clean_utf8(std::string_view utf8) {
  if (is_ascii(utf8)) return std::string(utf8);
  std::string out;
  out.reserve(utf8.size());
  for (std::size_t at = 0; at < utf8.size();) {
    const std::size_t from = at;
    if (next_code_point(utf8, at) == kReplacement) {
      out += "\xEF\xBF\xBD";
    } else {
      out += utf8.substr(from, at - from);
    }
  }
  return out;
}

}  // namespace rmq
