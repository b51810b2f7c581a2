#include "libstore/format/message_properties.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <bit>
#include <cstring>

namespace rmq::format {
namespace {

// Of equal length already: the constant length lets the compiler compare words instead of calling memcmp.
template <std::size_t N>
bool is(std::string_view name, const char (&wanted)[N]) {
  return std::memcmp(name.data(), wanted, N - 1) == 0;
}

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
    if (middle == nullptr || middle == segment.data() || middle == segment.data() + segment.size() - 1) continue;
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

// Calls visit(position, byte) for every byte 0x00, 0x01 or 0x02, in order: the separators, and what should not be there.
template <class Visit>
void for_each_low_byte(std::string_view text, Visit&& visit) {
  std::size_t at = 0;
#ifdef __SSE2__
  constexpr std::size_t kBlock = 16;
  const __m128i two = _mm_set1_epi8(kPropertySeparator);
  for (; at + kBlock <= text.size(); at += kBlock) {
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + at));
    auto low = static_cast<unsigned>(_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(block, two), block)));
    for (; low != 0; low &= low - 1) {
      const std::size_t position = at + static_cast<std::size_t>(std::countr_zero(low));
      visit(position, text[position]);
    }
  }
#endif
  for (; at < text.size(); ++at) {
    if (static_cast<unsigned char>(text[at]) <= kPropertySeparator) visit(at, text[at]);
  }
}

}  // namespace

StoreProperties store_properties(std::string_view text) {
  StoreProperties found;
  std::size_t start = 0;   // of the segment
  std::size_t middle = 0;  // its first 0x01; at `start`: none yet, or one that makes the segment void
  const auto end_segment = [&](std::size_t end) {
    if (middle > start && middle + 1 < end) {
      note(found, text.substr(start, middle - start), text.substr(middle + 1, end - middle - 1));
    }
    start = middle = end + 1;
  };
  bool seen = false;  // a 0x01 in this segment
  for_each_low_byte(text, [&](std::size_t position, char byte) {
    if (byte == kPropertySeparator) {
      end_segment(position);
      seen = false;
    } else if (byte == kNameValueSeparator) {
      if (!seen) middle = position;
      seen = true;
    } else {
      found.has_zero = true;
    }
  });
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
