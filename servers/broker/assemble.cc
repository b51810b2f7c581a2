#include "servers/broker/admin.h"
#include "servers/broker/broker.h"
#include "servers/broker/client_admin.h"
#include "servers/broker/clients.h"
#include "servers/broker/delays.h"
#include "servers/broker/pull_processor.h"
#include "servers/broker/query_processor.h"
#include "servers/broker/send_processor.h"

namespace rmq::broker {

void assemble(Broker& broker) {
  add_admin_processors(broker);
  add_client_processors(broker);
  add_client_admin(broker);
  add_delayed_messages(broker);
  add_send_processor(broker);
  add_pull_processor(broker);
  add_query_processors(broker);
}

}  // namespace rmq::broker
