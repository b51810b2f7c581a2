// What a broker knows of its topics when it builds its store: from topics.json or its .bak.
// RocketMQ: TopicConfigManager, QueueTypeUtils.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

namespace rmq::preflight {

class TopicTable {
 public:
  // No table (the store has no topics.json): queues are what their directories say.
  TopicTable() = default;

  void add(std::string topic, bool batch) {
    present_ = true;
    batch_.insert_or_assign(std::move(topic), batch);
  }
  void set_present() { present_ = true; }

  // Whether the topic's queues are batch queues; `by_directory` answers where there is no table.
  [[nodiscard]] bool is_batch(std::string_view topic, bool by_directory) const {
    if (!present_) return by_directory;
    const auto found = batch_.find(std::string(topic));
    return found != batch_.end() && found->second;
  }
  // True when a broker dropped the topic: it keeps a table, and the topic is not in it. System topics, which
  // a broker creates at every start, are never dropped.
  [[nodiscard]] bool is_deleted(std::string_view topic) const;

 private:
  bool present_ = false;
  std::unordered_map<std::string, bool> batch_;
};

}  // namespace rmq::preflight
