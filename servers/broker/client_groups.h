// Which clients are in which group, by their connections: what ProducerTable and ConsumerTable have in
// common. Not thread-safe: its owner locks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "servers/broker/client.h"

namespace rmq::broker {

class ClientGroups {
 public:
  using Members = std::unordered_map<const wire::Connection*, Client>;
  // A process that shares one connection among more groups than this is taken for an attack: the groups
  // beyond are not noted.
  static constexpr std::size_t kMaxGroupsOfConnection = 10'000;

  enum class Put { added, refreshed, refused };
  Put put(std::string_view group, Client client);
  // False where it was not in the group. A group without members is gone.
  bool remove(std::string_view group, const wire::Connection* connection);
  // The groups that it was in.
  std::vector<std::string> remove(const wire::Connection* connection);
  // Those who were not heard of since then, with their group.
  std::vector<std::pair<std::string, Client>> remove_silent_since(std::int64_t time_ms);

  [[nodiscard]] const Members* members(std::string_view group) const;  // null: none
  [[nodiscard]] const std::map<std::string, Members, std::less<>>& all() const { return groups_; }

 private:
  void erase(std::map<std::string, Members, std::less<>>::iterator group, const wire::Connection* connection);

  std::map<std::string, Members, std::less<>> groups_;
  std::unordered_map<const wire::Connection*, std::vector<std::string>> groups_of_;
};

}  // namespace rmq::broker
