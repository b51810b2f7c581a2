#include "libstore/format/message_properties.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

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
  std::uint64_t zeros = 0;       // what no text has
};

#ifdef __SSE2__
constexpr std::size_t kLane = 16;

void note_lane(const char* text, std::size_t skip, std::size_t at, Separators& found) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text));
  const auto equal = [&](char byte) {
    const auto mask =
        static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte))));
    return static_cast<std::uint64_t>(mask >> skip) << at;
  };
  found.properties |= equal(kPropertySeparator);
  found.names |= equal(kNameValueSeparator);
  found.zeros |= equal(0);
}
#endif

// Of the at most kBlock bytes that begin at `from`.
Separators separators(std::string_view text, std::size_t from) {
  Separators found;
  const std::size_t size = std::min(text.size() - from, kBlock);
  const char* const block = text.data() + from;
  std::size_t at = 0;
#ifdef __SSE2__
  for (; at + kLane <= size; at += kLane) note_lane(block + at, 0, at, found);
  if (at < size && text.size() >= kLane) {  // the last bytes once more together with those in front of them
    note_lane(block + size - kLane, kLane - (size - at), at, found);
    return found;
  }
#endif
  for (; at < size; ++at) {
    found.properties |= std::uint64_t{block[at] == kPropertySeparator} << at;
    found.names |= std::uint64_t{block[at] == kNameValueSeparator} << at;
    found.zeros |= std::uint64_t{block[at] == 0} << at;
  }
  return found;
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
    auto [properties, names, zeros] = separators(text, at);
    found.has_zero |= zeros != 0;
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

namespace {

constexpr std::array kStoreProperties{
    &StoreProperties::tags,
    &StoreProperties::keys,
    &StoreProperties::uniq_key,
    &StoreProperties::delay,
    &StoreProperties::inner_num,
    &StoreProperties::multi_dispatch,
    &StoreProperties::multi_queue_offset,
};

// Learning costs more than reading: texts longer than this are only read, and so are most texts after shapes
// that did not come again.
constexpr std::size_t kLongestShape = 512;
constexpr std::uint32_t kLearnAfter = 16;

}  // namespace

bool StorePropertiesReader::is_known_shape(std::string_view text) const {
  if (text.size() != size_ || lanes_.empty()) return false;
#ifdef __SSE2__
  const auto load = [](const char* at) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at)); };
  __m128i differs = _mm_setzero_si128();
  std::uint32_t moved = 0;
  for (const Lane& lane : lanes_) {
    const __m128i bytes = load(text.data() + lane.offset);
    differs = _mm_or_si128(
        differs, _mm_and_si128(_mm_xor_si128(bytes, load(lane.text.data())), load(lane.fixed.data())));
    // 0x02, 0x01, and the zero that no known shape has
    const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(kPropertySeparator)), bytes);
    moved |= static_cast<std::uint32_t>(_mm_movemask_epi8(low)) ^ lane.separators;
  }
  return moved == 0 && _mm_movemask_epi8(_mm_cmpeq_epi8(differs, _mm_setzero_si128())) == 0xFFFF;
#else
  return false;
#endif
}

const StoreProperties& StorePropertiesReader::read_new(std::string_view text) {
  other_ = store_properties(text);
  const bool useful = std::exchange(recognised_, 0) > 0;
  if (!useful && !lanes_.empty() && ++missed_ < kLearnAfter) return other_;
  missed_ = 0;
  found_ = other_;
  learn(text);
  return found_;
}

void StorePropertiesReader::learn(std::string_view text) {
  lanes_.clear();
  known_.clear();
  size_ = text.size();
  if (found_.has_zero || text.size() < sizeof(Lane::text) || text.size() > kLongestShape) return;
  std::array<char, kLongestShape> fixed;
  bool name = true;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool separator = text[i] == kNameValueSeparator || text[i] == kPropertySeparator;
    if (separator) name = text[i] == kPropertySeparator;
    fixed[i] = name || separator ? '\xFF' : '\0';
  }
  for (std::size_t next = 0; next < text.size(); next += sizeof(Lane::text)) {
    Lane lane{};
    // The last lane once more covers bytes of the one before it.
    const std::size_t at = std::min(next, text.size() - sizeof(Lane::text));
    lane.offset = static_cast<std::uint32_t>(at);
    std::memcpy(lane.text.data(), text.data() + at, lane.text.size());
    std::memcpy(lane.fixed.data(), fixed.data() + at, lane.fixed.size());
    for (std::size_t i = 0; i < lane.text.size(); ++i) {
      if (lane.text[i] == kNameValueSeparator || lane.text[i] == kPropertySeparator)
        lane.separators |= 1U << i;
    }
    lanes_.push_back(lane);
  }
  for (const auto property : kStoreProperties) {
    if (const auto& value = found_.*property) {
      known_.push_back({property, static_cast<std::uint32_t>(value->data() - text.data()),
                        static_cast<std::uint32_t>(value->size())});
    }
  }
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
