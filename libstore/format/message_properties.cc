#include "libstore/format/message_properties.h"

#include <cstring>

namespace rmq::format {

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

StoreProperties store_properties(std::string_view text) {
  StoreProperties found;
  PropertyReader reader(text);
  while (const auto property = reader.next()) {
    const std::string_view name = property->name;
    switch (name.size()) {
      case 4:
        if (name == kPropertyTags) found.tags = property->value;
        if (name == kPropertyKeys) found.keys = property->value;
        break;
      case 5:
        if (name == kPropertyDelay) found.delay = property->value;
        break;
      case 8:
        if (name == kPropertyUniqKey) found.uniq_key = property->value;
        break;
      case 9:
        if (name == kPropertyInnerNum) found.inner_num = property->value;
        break;
      case 20:
        if (name == kPropertyMultiDispatch) found.multi_dispatch = property->value;
        break;
      case 24:
        if (name == kPropertyMultiQueueOffset) found.multi_queue_offset = property->value;
        break;
      default: break;
    }
  }
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
