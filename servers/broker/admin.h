// What operators ask of a broker about itself: its topics, groups, offsets, configuration, statistics.
// RocketMQ: AdminBrokerProcessor, ConsumerManageProcessor.
#pragma once

namespace rmq::broker {

class Broker;

// All of it; before Broker::start().
void add_admin_processors(Broker& broker);

// The parts, one file each.
void add_topic_admin(Broker& broker);
void add_group_admin(Broker& broker);
void add_offset_admin(Broker& broker);
void add_config_admin(Broker& broker);
void add_runtime_info(Broker& broker);

}  // namespace rmq::broker
