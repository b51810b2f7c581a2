#include "libstore/engine/put_properties.h"

#include <algorithm>

#include "libstore/format/message_properties.h"
#include "libstore/format/tags_code.h"

namespace rmq::engine {

void remove_property(std::string& text, std::string_view name) {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find(format::kPropertySeparator, at), text.size() - 1) + 1;
    const std::string_view segment = std::string_view(text).substr(at, end - at);
    if (segment.starts_with(name) && segment.size() > name.size() &&
        segment[name.size()] == format::kNameValueSeparator) {
      text.erase(at, end - at);
    } else {
      at = end;
    }
  }
}

void set_property(std::string& text, std::string_view name, std::string_view value) {
  remove_property(text, name);
  if (!text.empty() && text.back() != format::kPropertySeparator) text += format::kPropertySeparator;
  text += name;
  text += format::kNameValueSeparator;
  text += value;
  text += format::kPropertySeparator;
}

std::vector<std::string_view> split_names(std::string_view list) {
  std::vector<std::string_view> names;
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    names.push_back(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  while (!names.empty() && names.back().empty()) names.pop_back();
  return names;
}

bool takes_multi_dispatch(std::string_view topic) {
  return !topic.starts_with("%RETRY%") && !topic.starts_with("rmq_sys_") && topic != format::kScheduleTopic;
}

bool is_topic_name(std::string_view topic) {
  return !topic.empty() && topic.size() <= 255 && topic != "." && topic != ".." &&
         topic.find('/') == std::string_view::npos && topic.find('\0') == std::string_view::npos;
}

}  // namespace rmq::engine
