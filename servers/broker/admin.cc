#include "servers/broker/admin.h"

namespace rmq::broker {

void add_admin_processors(Broker& broker) {
  add_topic_admin(broker);
  add_group_admin(broker);
  add_offset_admin(broker);
  add_config_admin(broker);
  add_runtime_info(broker);
}

}  // namespace rmq::broker
