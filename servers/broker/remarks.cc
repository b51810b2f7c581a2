#include "servers/broker/remarks.h"

#include <fmt/format.h>

#include "servers/broker/topic_configs.h"

namespace rmq::broker {

std::string to_text(const format::TopicConfig& topic) {
  std::string attributes;
  for (const auto& [name, value] : topic.attributes)
    attributes += (attributes.empty() ? "" : ", ") + name + "=" + value;
  return fmt::format(
      "TopicConfig [topicName={}, readQueueNums={}, writeQueueNums={}, perm={}{}{}, topicFilterType={}, "
      "topicSysFlag={}, order={}, attributes={{{}}}]",
      topic.name, topic.read_queues, topic.write_queues, (topic.perm & kPermRead) != 0 ? 'R' : '-',
      (topic.perm & kPermWrite) != 0 ? 'W' : '-', (topic.perm & kPermInherit) != 0 ? 'X' : '-',
      topic.filter_type, topic.sys_flag, topic.order, attributes);
}

}  // namespace rmq::broker
