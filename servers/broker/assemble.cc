#include "servers/broker/admin.h"
#include "servers/broker/broker.h"
#include "servers/broker/client_admin.h"
#include "servers/broker/clients.h"
#include "servers/broker/delays.h"

namespace rmq::broker {

void assemble(Broker& broker) {
  add_admin_processors(broker);
  add_client_processors(broker);
  add_client_admin(broker);
  add_delayed_messages(broker);
}

}  // namespace rmq::broker
