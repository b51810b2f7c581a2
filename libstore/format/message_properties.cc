#include "libstore/format/message_properties.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <array>
#include <bit>
#include <cstring>

namespace rmq::format {
namespace {

void note(StoreProperties& found, std::string_view name, std::string_view value) {
  switch (name.size()) {
    case 4:
      if (name == kPropertyTags) found.tags = value;
      if (name == kPropertyKeys) found.keys = value;
      break;
    case 5:
      if (name == kPropertyDelay) found.delay = value;
      break;
    case 8:
      if (name == kPropertyUniqKey) found.uniq_key = value;
      break;
    case 9:
      if (name == kPropertyInnerNum) found.inner_num = value;
      break;
    case 20:
      if (name == kPropertyMultiDispatch) found.multi_dispatch = value;
      break;
    case 24:
      if (name == kPropertyMultiQueueOffset) found.multi_queue_offset = value;
      break;
    default: break;
  }
}

}  // namespace

std::optional<PropertyReader::Property> PropertyReader::next() {
  while (!text_.empty()) {
    const auto* end = static_cast<const char*>(std::memchr(text_.data(), kPropertySeparator, text_.size()));
    const std::size_t length = end == nullptr ? text_.size() : static_cast<std::size_t>(end - text_.data());
    const std::string_view segment = text_.substr(0, length);
    text_.remove_prefix(end == nullptr ? text_.size() : length + 1);
    if (segment.size() < 3) continue;
    const auto* middle =
        static_cast<const char*>(std::memchr(segment.data(), kNameValueSeparator, segment.size()));
    if (middle == nullptr || middle == segment.data() || middle == segment.data() + segment.size() - 1)
      continue;
    const auto name_length = static_cast<std::size_t>(middle - segment.data());
    return Property{segment.substr(0, name_length), segment.substr(name_length + 1)};
  }
  return std::nullopt;
}

std::optional<std::string_view> find_property(std::string_view text, std::string_view name) {
  std::optional<std::string_view> found;
  PropertyReader reader(text);
  while (const auto property = reader.next()) {
    if (property->name == name) found = property->value;
  }
  return found;
}

namespace {

constexpr std::size_t kBlock = 64;

// Which bytes of a block are separators, a bit a byte.
struct Separators {
  std::uint64_t properties = 0;  // 0x02
  std::uint64_t names = 0;       // 0x01
  bool zero = false;             // a byte that no text has
};

Separators separators(const char* block) {
  Separators found;
  std::uint64_t zeros = 0;
#ifdef __SSE2__
  for (unsigned at = 0; at < kBlock; at += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + at));
    const auto equal = [&](char byte) {
      return static_cast<std::uint64_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte)))) << at;
    };
    found.properties |= equal(kPropertySeparator);
    found.names |= equal(kNameValueSeparator);
    zeros |= equal(0);
  }
#else
  for (unsigned at = 0; at < kBlock; ++at) {
    found.properties |= std::uint64_t{block[at] == kPropertySeparator} << at;
    found.names |= std::uint64_t{block[at] == kNameValueSeparator} << at;
    zeros |= std::uint64_t{block[at] == 0} << at;
  }
#endif
  found.zero = zeros != 0;
  return found;
}

// Of the block that begins at `at`; the last one may be shorter.
Separators separators_at(std::string_view text, std::size_t at) {
  const std::size_t size = text.size() - at;
  if (size >= kBlock) return separators(text.data() + at);
  if (at == 0) {
    std::array<char, kBlock> padded;
    padded.fill(' ');
    std::memcpy(padded.data(), text.data(), size);
    return separators(padded.data());
  }
  Separators last =
      separators(text.data() + text.size() - kBlock);  // a zero in front is counted twice: no harm
  last.properties >>= kBlock - size;
  last.names >>= kBlock - size;
  return last;
}

}  // namespace

// Every record of a store passes here: the separators of 64 bytes are found at once.
StoreProperties store_properties(std::string_view text) {
  constexpr std::size_t kNone = std::string_view::npos;
  StoreProperties found;
  std::size_t start = 0;       // of the segment
  std::size_t middle = kNone;  // its first 0x01
  const auto end_segment = [&](std::size_t end) {
    if (middle != kNone && middle > start && middle + 1 < end) {
      note(found, text.substr(start, middle - start), text.substr(middle + 1, end - middle - 1));
    }
    start = end + 1;
    middle = kNone;
  };
  for (std::size_t at = 0; at < text.size(); at += kBlock) {
    auto [properties, names, zero] = separators_at(text, at);
    found.has_zero |= zero;
    for (; properties != 0; properties &= properties - 1) {
      const std::uint64_t before = properties ^ (properties - 1);
      if (middle == kNone && (names & before) != 0)
        middle = at + static_cast<std::size_t>(std::countr_zero(names));
      names &= ~before;
      end_segment(at + static_cast<std::size_t>(std::countr_zero(properties)));
    }
    if (middle == kNone && names != 0) middle = at + static_cast<std::size_t>(std::countr_zero(names));
  }
  end_segment(text.size());
  return found;
}

std::string encode_properties(const std::vector<std::pair<std::string, std::string>>& properties) {
  std::string text;
  for (const auto& [name, value] : properties) {
    text += name;
    text += kNameValueSeparator;
    text += value;
    text += kPropertySeparator;
  }
  return text;
}

}  // namespace rmq::format
