// The properties text of a message: name 0x01 value 0x02 name 0x01 value 0x02 ...
// RocketMQ: MessageDecoder.messageProperties2String / string2messageProperties, names in MessageConst.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rmq::format {

inline constexpr char kNameValueSeparator = 0x01;
inline constexpr char kPropertySeparator = 0x02;

inline constexpr std::string_view kPropertyTags = "TAGS";
inline constexpr std::string_view kPropertyKeys = "KEYS";
inline constexpr std::string_view kPropertyUniqKey = "UNIQ_KEY";
inline constexpr std::string_view kPropertyDelay = "DELAY";
inline constexpr std::string_view kPropertyInnerNum = "INNER_NUM";
inline constexpr std::string_view kPropertyInnerBase = "INNER_BASE";
inline constexpr std::string_view kPropertyMultiDispatch = "INNER_MULTI_DISPATCH";
inline constexpr std::string_view kPropertyMultiQueueOffset = "INNER_MULTI_QUEUE_OFFSET";
inline constexpr std::string_view kPropertyDupInfo = "DUP_INFO";
inline constexpr std::string_view kPropertyCrc32 = "__CRC32#";

// Walks the pairs in order; allocation-free. The views live as long as the text.
// A segment counts only if it has at least three characters and its first 0x01 is neither first nor last in it.
class PropertyReader {
 public:
  struct Property {
    std::string_view name;
    std::string_view value;
  };

  explicit PropertyReader(std::string_view text) : text_(text) {}
  [[nodiscard]] std::optional<Property> next();

 private:
  std::string_view text_;
};

// The value of `name`; the last one wins where a name stands twice, as in Java's map.
[[nodiscard]] std::optional<std::string_view> find_property(std::string_view text, std::string_view name);

// What the store itself reads of every message, found in one walk.
struct StoreProperties {
  StoreProperties() noexcept {}  // not `= default`: that clears all of it, which costs as much as reading a record's text
  std::optional<std::string_view> tags;
  std::optional<std::string_view> keys;
  std::optional<std::string_view> uniq_key;
  std::optional<std::string_view> delay;
  std::optional<std::string_view> inner_num;
  std::optional<std::string_view> multi_dispatch;
  std::optional<std::string_view> multi_queue_offset;
  bool has_zero = false;  // a zero byte somewhere: no writer puts one there
};
[[nodiscard]] StoreProperties store_properties(std::string_view text);

// The same for many texts after each other. A producer's messages mostly have the same names with values of the same
// length: such a text is only compared with the one before it. One thread at a time.
class StorePropertiesReader {
 public:
  // Valid until the next call; the views live as long as the text.
  [[nodiscard]] const StoreProperties& read(std::string_view text) {
    if (!is_known_shape(text)) return read_new(text);
    ++recognised_;
    for (const Known& known : known_) found_.*known.property = text.substr(known.offset, known.length);
    return found_;
  }

 private:
  struct alignas(16) Lane {
    std::array<char, 16> text;
    std::array<char, 16> fixed;  // 0xFF where separators and names stand
    std::uint32_t separators;    // where a 0x01 or 0x02 stands, a bit a byte
    std::uint32_t offset;        // in the text
  };
  struct Known {
    std::optional<std::string_view> StoreProperties::*property;
    std::uint32_t offset;
    std::uint32_t length;
  };

  [[nodiscard]] bool is_known_shape(std::string_view text) const;
  const StoreProperties& read_new(std::string_view text);
  void learn(std::string_view text);

  StoreProperties found_;  // of a text of the known shape
  StoreProperties other_;  // of another one
  std::size_t size_ = 0;  // of the texts of the known shape
  std::vector<Lane> lanes_;
  std::vector<Known> known_;
  std::uint32_t recognised_ = 0;  // since the shape was learned
  std::uint32_t missed_ = 0;
};

// Writes the pairs the way Java does: every pair ends in 0x02.
[[nodiscard]] std::string encode_properties(
    const std::vector<std::pair<std::string, std::string>>& properties);

// Calls visit(key) for each non-empty part of KEYS (separated by single spaces).
template <class Visit>
void for_each_key(std::string_view keys, Visit&& visit) {
  while (!keys.empty()) {
    const std::size_t space = keys.find(' ');
    if (space != 0) visit(keys.substr(0, space));
    if (space == std::string_view::npos) break;
    keys.remove_prefix(space + 1);
  }
}

}  // namespace rmq::format
