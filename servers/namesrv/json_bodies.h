// The JSON that answers carry, as fastjson writes RocketMQ's classes. Where Java goes by hash order, ours is
// sorted. Stateless.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "servers/namesrv/route_table.h"

namespace rmq::namesrv {

enum class RouteStyle : std::uint8_t {
  fastjson,  // broker ids are unquoted keys: what clients before 4.9.4 are used to
  standard,  // quoted keys, ASCII only
};
[[nodiscard]] std::string route_body(const Route& route, RouteStyle style);  // TopicRouteData
[[nodiscard]] std::string cluster_info_body(const ByName<BrokerData>& brokers,
                                            const ByName<std::set<std::string>>& clusters);  // ClusterInfo
[[nodiscard]] std::string topic_list_body(
    const std::vector<std::string>& topics,
    const std::optional<std::string>& broker_address = {});  // TopicList
[[nodiscard]] std::string member_group_body(const std::optional<std::string>& cluster,
                                            const std::optional<std::string>& broker_name,
                                            const std::map<std::int64_t, std::string>& addresses);
[[nodiscard]] std::string data_version_body(const wire::DataVersion& version);

// The queueDatas of a TopicRouteData (REGISTER_TOPIC_IN_NAMESRV). Nothing where it is no such body.
[[nodiscard]] std::optional<std::vector<std::pair<std::string, QueueData>>> read_queue_datas(
    std::string_view body);

}  // namespace rmq::namesrv
